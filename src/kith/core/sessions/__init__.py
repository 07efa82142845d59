"""How sessions, devices and accounts begin, outlive a lost connection or a restart, and end."""
