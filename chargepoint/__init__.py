"""The software inside an EV charger: OCPP to the back office, signed records from the meter."""
