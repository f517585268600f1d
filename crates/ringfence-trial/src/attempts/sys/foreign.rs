//! Calls by the doors of other architectures: the 32-bit table by `int 0x80`, and x32. A filter that looks at numbers
//! alone takes them for other calls. Not for other processors than x86-64.

use super::Failed;

/// The bit that makes a number one of x32 (arch/x86/include/uapi/asm/unistd.h).
const X32: i64 = 0x4000_0000;

/// The i386 call `number`; the result as the kernel gives it, errors negative.
pub(crate) fn int80(number: u32, arguments: [u32; 3]) -> i64 {
    let mut result = u64::from(number);
    // SAFETY: the gate takes its arguments in ebx, ecx and edx and returns in eax; the kernel clobbers r8 to r11 (arch/
    // x86/entry/entry_64_compat.S). rbx is LLVM's, so it is swapped in and out. Arguments are numbers or low addresses.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx",
            "int 0x80",
            "xchg {first}, rbx",
            first = inout(reg) u64::from(arguments[0]) => _,
            inlateout("rax") result,
            in("rcx") u64::from(arguments[1]),
            in("rdx") u64::from(arguments[2]),
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    i64::from((result & 0xffff_ffff) as u32 as i32)
}

/// The x32 call `number`.
pub(crate) fn x32(number: i64, arguments: &[usize]) -> Result<i64, Failed> {
    super::call(X32 | number, arguments)
}
