"""What a process that handles strangers' media gives up before it begins: files, network, other processes."""
