"""The operations of the IAM Query API (2010-05-08) and of STS (2011-06-15), one file a family.

Sources: AWS IAM API Reference, AWS STS API Reference, and the "Actions, resources, and condition keys" of both in the
Service Authorization Reference.
"""
