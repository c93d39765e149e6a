"""Values: what is seen, what is asked, what is planned. No behaviour beyond reading themselves."""
