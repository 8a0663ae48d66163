"""The pages that are made from the code, and the tests that they say what the code does."""
