//! What became of a transfer.

/// What became of a transfer. Of several faults the one with the lowest number is reported, but for
/// [`Code::LinkedEventFailed`], which another member of the chain causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "`meaning` says it, in words that a user sees too")]
pub enum Code {
    Ok = 0,
    LinkedEventFailed = 1,
    LinkedEventChainOpen = 2,
    IdMustNotBeZero = 3,
    ExistsWithDifferentKind = 4,
    ExistsWithDifferentDebit = 5,
    ExistsWithDifferentCredit = 6,
    ExistsWithDifferentAmount = 7,
    ExistsWithDifferentReference = 8,
    ExistsWithDifferentTimeout = 9,
    ExistsWithDifferentCode = 10,
    ExistsWithDifferentLinked = 11,
    Exists = 12,
    IdAlreadyFailed = 13,
    AmountMustBePositive = 14,
    ReferenceMustBeZero = 15,
    ReferenceMustNotBeZero = 16,
    TimeoutMustBeZero = 17,
    TimeoutOutOfRange = 18,
    ReservationNotFound = 19,
    ReservationAlreadyPosted = 20,
    ReservationAlreadyVoided = 21,
    ReservationExpired = 22,
    ReservationDiffers = 23,
    ExceedsReservation = 24,
    DebitNotFound = 25,
    CreditNotFound = 26,
    AccountsMustDiffer = 27,
    AssetsDiffer = 28,
    DebitClosed = 29,
    CreditClosed = 30,
    ExceedsAvailable = 31,
    OutOfRange = 32,
}

impl Code {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 33] = [
        Self::Ok,
        Self::LinkedEventFailed,
        Self::LinkedEventChainOpen,
        Self::IdMustNotBeZero,
        Self::ExistsWithDifferentKind,
        Self::ExistsWithDifferentDebit,
        Self::ExistsWithDifferentCredit,
        Self::ExistsWithDifferentAmount,
        Self::ExistsWithDifferentReference,
        Self::ExistsWithDifferentTimeout,
        Self::ExistsWithDifferentCode,
        Self::ExistsWithDifferentLinked,
        Self::Exists,
        Self::IdAlreadyFailed,
        Self::AmountMustBePositive,
        Self::ReferenceMustBeZero,
        Self::ReferenceMustNotBeZero,
        Self::TimeoutMustBeZero,
        Self::TimeoutOutOfRange,
        Self::ReservationNotFound,
        Self::ReservationAlreadyPosted,
        Self::ReservationAlreadyVoided,
        Self::ReservationExpired,
        Self::ReservationDiffers,
        Self::ExceedsReservation,
        Self::DebitNotFound,
        Self::CreditNotFound,
        Self::AccountsMustDiffer,
        Self::AssetsDiffer,
        Self::DebitClosed,
        Self::CreditClosed,
        Self::ExceedsAvailable,
        Self::OutOfRange,
    ];

    /// Its name, and what it means or what to do, in one line.
    pub const fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Ok => ("ok", "accepted"),
            Self::LinkedEventFailed => ("linked_event_failed", "another transfer of its chain failed; mend that one"),
            Self::LinkedEventChainOpen => {
                ("linked_event_chain_open", "the last transfer of a call is linked to nothing; end the chain")
            }
            Self::IdMustNotBeZero => {
                ("id_must_not_be_zero", "a reservation without an id could never be resolved; give it one")
            }
            Self::ExistsWithDifferentKind => {
                ("exists_with_different_kind", "this id was accepted with another kind; use a new id")
            }
            Self::ExistsWithDifferentDebit => {
                ("exists_with_different_debit", "this id was accepted with another debit account; use a new id")
            }
            Self::ExistsWithDifferentCredit => {
                ("exists_with_different_credit", "this id was accepted with another credit account; use a new id")
            }
            Self::ExistsWithDifferentAmount => {
                ("exists_with_different_amount", "this id was accepted with another amount; use a new id")
            }
            Self::ExistsWithDifferentReference => {
                ("exists_with_different_reference", "this id was accepted with another reference; use a new id")
            }
            Self::ExistsWithDifferentTimeout => {
                ("exists_with_different_timeout", "this id was accepted with another timeout; use a new id")
            }
            Self::ExistsWithDifferentCode => {
                ("exists_with_different_code", "this id was accepted with another code; use a new id")
            }
            Self::ExistsWithDifferentLinked => {
                ("exists_with_different_linked", "this id was accepted with another linked flag; use a new id")
            }
            Self::Exists => ("exists", "the same transfer was accepted before; nothing to do"),
            Self::IdAlreadyFailed => {
                ("id_already_failed", "this id failed for a reason that may have passed; use a new id")
            }
            Self::AmountMustBePositive => {
                ("amount_must_be_positive", "give an amount above 0, or exchange debit and credit")
            }
            Self::ReferenceMustBeZero => {
                ("reference_must_be_zero", "only a post or void refers to a reservation; leave it 0")
            }
            Self::ReferenceMustNotBeZero => {
                ("reference_must_not_be_zero", "a post or void needs the id of the reservation")
            }
            Self::TimeoutMustBeZero => ("timeout_must_be_zero", "only a reservation expires; leave it 0"),
            Self::TimeoutOutOfRange => ("timeout_out_of_range", "the expiry would be past 2^64 ns; give less"),
            Self::ReservationNotFound => ("reservation_not_found", "no reservation was accepted under this reference"),
            Self::ReservationAlreadyPosted => {
                ("reservation_already_posted", "the reservation is posted; nothing is left")
            }
            Self::ReservationAlreadyVoided => {
                ("reservation_already_voided", "the reservation is voided; nothing is left")
            }
            Self::ReservationExpired => ("reservation_expired", "the reservation has expired; nothing is left"),
            Self::ReservationDiffers => {
                ("reservation_differs", "it names another debit, credit, or (a void) amount than was reserved")
            }
            Self::ExceedsReservation => ("exceeds_reservation", "post at most what was reserved"),
            Self::DebitNotFound => ("debit_not_found", "the debit account is not open"),
            Self::CreditNotFound => ("credit_not_found", "the credit account is not open"),
            Self::AccountsMustDiffer => ("accounts_must_differ", "an account cannot pay itself"),
            Self::AssetsDiffer => ("assets_differ", "both accounts must be of one asset"),
            Self::DebitClosed => ("debit_closed", "the debit account is closed"),
            Self::CreditClosed => ("credit_closed", "the credit account is closed"),
            Self::ExceedsAvailable => ("exceeds_available", "the debit account has less available"),
            Self::OutOfRange => ("out_of_range", "a balance would leave 2^126"),
        }
    }

    /// Whether the same transfer may pass later, so that its id is burnt now.
    pub(super) const fn transient(self) -> bool {
        matches!(
            self,
            Self::ReservationNotFound
                | Self::DebitNotFound
                | Self::CreditNotFound
                | Self::DebitClosed
                | Self::CreditClosed
                | Self::ExceedsAvailable
                | Self::OutOfRange
        )
    }
}
