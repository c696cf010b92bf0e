"""Lightning modules, data modules and callbacks; recipes are in ``configs/``."""
