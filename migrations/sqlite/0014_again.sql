-- A job that was refused for certain waits in the queue and may ask the same candidate again from then on; null: at once.
alter table attempts add column again_at_ms integer;
