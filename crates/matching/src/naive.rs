//! The naive book: written for obviousness.
