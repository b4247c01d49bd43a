"""Simulated meters, each on its own wire protocol, with real keys, power cuts and faults."""
