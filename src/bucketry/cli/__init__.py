"""The command line: cf's verbs, spoken over HTTP to a bucketry server.

It imports nothing of the server (and nothing heavy at all), so that a command starts in a tenth of a second and runs
wherever Python does. One file a noun; `main` lists the commands and loads the file of the one that is asked for.
"""
