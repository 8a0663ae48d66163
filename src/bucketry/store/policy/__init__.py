"""The AWS IAM policy language and its evaluator: text in, decision out; no clock, no sockets, no storage.

`validation` parses what users hand in, `evaluator` decides, `public` says what Block Public Access calls public;
`language` holds the parsed form. Sources: the grammar, the elements reference and the evaluation logic of the IAM
User Guide, and the S3 User Guide.
"""
