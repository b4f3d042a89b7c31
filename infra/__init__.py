"""The cloud: one AWS CDK stack, one file per construct."""
