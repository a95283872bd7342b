"""What the commands of `sap-rl` take, and which function runs each; loads no torch."""
