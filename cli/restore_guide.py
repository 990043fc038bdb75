"""`plantops restore-guide`: what to do after any restore, in order (OPS-49)."""

GUIDE = """\
After a restore, in this order:

 1 Keep the door closed.     No traffic to the gateway: nobody works on what is not checked yet. Note the instant
                             that `plantops backup restore` printed; what was acknowledged behind it is lost here.
 2 Start the plant.          plantops --data NEW run --empty
                             Streams are made anew when the broker lost them, and filled from the outboxes;
                             inboxes know what was applied before, so nothing is done twice.
 3 Look at the databases.    plantops --data NEW backup check
 4 Compare the services.     plantops --data NEW check
                             When all databases come from one backup and one instant, there is no difference and
                             step 5 is empty.
 5 Reconcile.                plantops --data NEW reconcile --dry-run
                             plantops --data NEW reconcile --rewind --reason "materials restored to ..."
                             Needed when one database is older than the others: what its inbox lacks is told again,
                             the others expect its next events anew, and what no outbox has any more is listed.
 6 A person decides.         What is listed, and what people, scanners and other systems sent after the instant: they
                             send it again with the same request id, which is safe, or it is entered by hand.
 7 Take a new base backup.   plantops --data NEW backup create --to NEWFOLDER
                             A restored plant begins a new timeline: it needs a folder of its own for backups.
 8 Open the door."""
