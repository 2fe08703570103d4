//! gRPC's status codes.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// Why a call failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// The code of this number; what is not known is [`Code::Unknown`].
            pub fn of(number: i32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    _ => Self::Unknown,
                }
            }
        }
    };
}

codes! {
    /// The caller took it back.
    Cancelled = 1,
    /// None of these.
    Unknown = 2,
    /// The caller's words are wrong.
    InvalidArgument = 3,
    /// It did not happen in time.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// There is one already.
    AlreadyExists = 6,
    /// The caller may not.
    PermissionDenied = 7,
    /// Something ran out.
    ResourceExhausted = 8,
    /// The thing's state does not allow it.
    FailedPrecondition = 9,
    /// It was given up halfway.
    Aborted = 10,
    /// A number is out of its range.
    OutOfRange = 11,
    /// There is no such method, or it cannot do that.
    Unimplemented = 12,
    /// A fault of the server.
    Internal = 13,
    /// Trying again may help.
    Unavailable = 14,
    /// State is damaged.
    DataLoss = 15,
    /// The caller did not say who it is.
    Unauthenticated = 16,
}

impl Code {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}
