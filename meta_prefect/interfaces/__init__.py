"""The values and abstract classes shared by builders, recipes and the deployer. Nothing here does any I/O."""
