//! What the loop asks of the processor and the kernel for the thread it runs on.

/// Real-time priority of the loop, 1 to 99: before every ordinary thread, after the kernel's own.
const PRIORITY: libc::c_int = 10;

/// Lets this thread run as soon as it is woken, whatever else the machine does; threads that it starts are ordinary ones.
///
/// A wish: it takes root, or an `rtprio` limit (limits.conf). The loop's turns are bounded, so it cannot starve the rest.
pub fn run_before_others() {
    let parameters = libc::sched_param {
        sched_priority: PRIORITY,
    };
    // SAFETY: 0 is this thread, and the parameters outlive the call, which only reads them.
    let status = unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_RR | libc::SCHED_RESET_ON_FORK,
            &raw const parameters,
        )
    };
    if status != 0 {
        log::debug!("no real-time priority: {}", std::io::Error::last_os_error());
    }
}

/// Makes this thread's arithmetic treat denormal numbers as zero: they double or triple the cost of audio filters.
pub fn flush_denormals_to_zero() {
    #[cfg(target_arch = "x86_64")]
    {
        // MXCSR: flush results to zero (bit 15), take operands as zero (bit 6). Intel SDM volume 1, §10.2.3.
        let mut mxcsr: u32 = 0;
        // SAFETY: stmxcsr and ldmxcsr move 32 bits between the named local and this thread's MXCSR; the bits set are defined.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack));
            mxcsr |= 1 << 15 | 1 << 6;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack));
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // FPCR.FZ, bit 24. Arm ARM, C5.2.8.
        let mut fpcr: u64;
        // SAFETY: FPCR is this thread's own and FZ is defined on every ARMv8-A core.
        unsafe {
            std::arch::asm!("mrs {}, fpcr", out(reg) fpcr, options(nomem, nostack));
            fpcr |= 1 << 24;
            std::arch::asm!("msr fpcr, {}", in(reg) fpcr, options(nomem, nostack));
        }
    }
}
