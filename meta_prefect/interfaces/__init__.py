"""The values and abstract classes that builders, recipes and the deployer agree on. Nothing here talks to anybody."""
