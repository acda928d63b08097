#![no_main]

#[path = "../src/order_json.rs"]
mod order_json;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| order_json::order_json(bytes));
