"""Power meters: readings, signed transactions, OCMF records. Knows neither OCPP nor stations."""
