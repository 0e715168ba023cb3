-- What a provider calls the video it made: an extension builds on it.
alter table attempts add column provider_video_id text;
