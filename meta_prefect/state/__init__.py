"""What stays on the server between deploys: the ledger, saved plans, locks, what was healed."""
