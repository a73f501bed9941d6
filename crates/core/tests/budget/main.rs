//! Expressions under their budget: nothing that a definition says, on nothing that a service answers, takes more memory
//! or steps than the limits say. The test's allocator counts the memory.

mod cases;
mod fuzz;
mod generator;
mod measured;
mod plain;

#[global_allocator]
static ALLOCATED: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
