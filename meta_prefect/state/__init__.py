"""State kept on the server between deploys: the ledger, saved plans, locks and the heal log."""
