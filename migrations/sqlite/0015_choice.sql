-- What stood against what when the attempt was given its slot, as JSON; null in attempts of before it was kept.
alter table attempts add column choice text;
