"""What the scenario tests stand on: the server as a process, and a client written from the protocol's document."""
