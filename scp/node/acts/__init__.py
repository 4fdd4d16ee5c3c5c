"""What people have done to what is held: by a command or by the page, told to the audit trail."""
