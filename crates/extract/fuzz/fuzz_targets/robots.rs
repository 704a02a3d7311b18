#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| extract::probe::robots(data));
