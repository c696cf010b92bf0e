"""The commands of ``styleapp``, one a file; the table that lists them is in :mod:`styleapp.cli`."""
