"""Tools that touch the world: commands, files, the screen, the web."""
