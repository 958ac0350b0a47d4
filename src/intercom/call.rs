//! One call's life; owns str0m::Rtc.
