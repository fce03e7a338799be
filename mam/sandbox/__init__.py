"""Confines processes that handle strangers' media: no access to files, the network and other processes."""
