"""What Kith promises while everything around it fails. `make chaos` runs the long form of these tests."""
