"""Moving accounts from and to other servers, in the format of XEP-0227.

`reading` turns files into parts, `importing` writes them into a store account by account, `exporting` writes
a file. Each kind of data has a file that does both: `credentials`, `contacts`, `cards`, `nodes`, `private`,
`blocks`, `messages`. How data are stored is defined elsewhere, by the features and the core.
"""
