"""Plays: what each stage calls for (lifecycle.md, section 7), as data, and the engine that decides by them."""
