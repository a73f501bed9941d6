//! Rules about the source tree that no compiler checks.

mod circles;
mod documents;
mod lengths;
mod names;
mod seams;
mod sources;
mod subjects;
