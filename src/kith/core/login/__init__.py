"""From a stream's header to its session, one step in a file: TLS, SASL, binding, resumption.

Each step offers stream features and takes the elements that ask for them (`step.Step`); `kith.core.stream`
lists them. Imports `kith.core` and below.
"""
