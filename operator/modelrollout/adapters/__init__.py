"""All transport: the API server, routers' status pages and Prometheus. The only package that opens connections."""
