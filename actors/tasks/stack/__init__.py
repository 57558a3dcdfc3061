"""`pacloop/stack`: red on blue, real contacts, and the scripted, clumsy demonstrator."""
