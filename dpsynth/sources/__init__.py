"""Where rows live: files that are read, coded tables that are counted, tables that are written."""
