-- Whether the writer stopped with nothing under way; 0 from its take-over on. A start behind a writer that did not is an
-- unclean one.
ALTER TABLE writer_position ADD COLUMN drained INTEGER NOT NULL DEFAULT 0 CHECK (drained IN (0, 1));
