"""What tests stand on: the real program on free ports, real clients, and the check of the store after each test."""
