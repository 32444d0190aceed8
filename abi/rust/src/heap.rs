//! The memory of a module: plugins make small things and give them back, at every request
//! the same. The standard library's allocator takes some 600 units of fuel to give and take
//! back 256 bytes, lists of free pieces by size some 230. Pieces of one size are never
//! joined to larger ones: what a plugin's requests need at the same time it keeps.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// Sizes are multiples of this, and so are addresses.
const STEP: usize = 16;
/// The largest size that has a list; what is larger is the standard library's.
const LARGEST: usize = 4096;
/// Up to this size there is a list for each multiple of STEP, beyond for each power of two.
const FINE: usize = 512;
const CLASSES: usize = FINE / STEP + 3;
/// How much is taken from the standard library at a time.
const CHUNK: usize = 16 << 10;

/// A global allocator for modules, which have one thread. [`plugin!`](crate::plugin) makes
/// one, unless it is told `allocator = ()`.
pub struct Heap {
    state: UnsafeCell<State>,
}

struct State {
    /// The first free piece of each size; each begins with the address of the next.
    free: [*mut u8; CLASSES],
    /// What is left of the chunk that pieces are cut from.
    chunk: *mut u8,
    left: usize,
}

// A module has one thread.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Heap {}

impl Heap {
    /// A heap without memory.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Heap {
        Heap { state: UnsafeCell::new(State { free: [null_mut(); CLASSES], chunk: null_mut(), left: 0 }) }
    }
}

/// The list for a size, and the size of its pieces.
fn class(size: usize) -> (usize, usize) {
    if size <= FINE {
        let steps = (size + STEP - 1) / STEP;
        return (steps.saturating_sub(1), steps.max(1) * STEP);
    }
    let power = size.next_power_of_two();
    (FINE / STEP + (power / FINE).trailing_zeros() as usize - 1, power)
}

fn has_list(layout: &Layout) -> bool {
    layout.size() <= LARGEST && layout.align() <= STEP
}

impl State {
    /// Cuts a piece from the chunk, or a new one.
    unsafe fn cut(&mut self, size: usize) -> *mut u8 {
        if self.left < size {
            let chunk = System.alloc(Layout::from_size_align_unchecked(CHUNK, STEP));
            if chunk.is_null() {
                return chunk;
            }
            // The rest of the one before is lost: less than the piece that did not fit.
            self.chunk = chunk;
            self.left = CHUNK;
        }
        let piece = self.chunk;
        self.chunk = piece.add(size);
        self.left -= size;
        piece
    }
}

// Pieces come from System, are as large and as aligned as was asked for, and are in one
// list or with one owner.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !has_list(&layout) {
            return System.alloc(layout);
        }
        let state = &mut *self.state.get();
        let (class, size) = class(layout.size());
        let piece = state.free[class];
        if piece.is_null() {
            return state.cut(size);
        }
        state.free[class] = *piece.cast::<*mut u8>();
        piece
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if !has_list(&layout) {
            return System.dealloc(piece, layout);
        }
        let state = &mut *self.state.get();
        let (class, _) = class(layout.size());
        *piece.cast::<*mut u8>() = state.free[class];
        state.free[class] = piece;
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let wanted = Layout::from_size_align_unchecked(size, layout.align());
        match (has_list(&layout), has_list(&wanted)) {
            (true, true) if class(layout.size()) == class(size) => return piece,
            (false, false) => return System.realloc(piece, layout, size),
            _ => {}
        }
        let moved = self.alloc(wanted);
        if !moved.is_null() {
            std::ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
            self.dealloc(piece, layout);
        }
        moved
    }
}

/// Has the standard library's allocator take memory before the first request needs some,
/// which it then finds there: an instance whose memory grew in a request cannot be reset.
pub fn warm_heap() {
    const WARM: usize = 48 << 10;
    // The size is not zero, and the piece is given back as it was asked for.
    unsafe {
        let layout = Layout::from_size_align_unchecked(WARM, STEP);
        let piece = System.alloc(layout);
        if !piece.is_null() {
            piece.write_volatile(0); // else the compiler leaves all of this out
            System.dealloc(piece, layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_sizes() {
        let mut last = (0, STEP);
        for size in 0..=LARGEST {
            let (index, piece) = class(size);
            assert!(piece >= size && piece % STEP == 0 && index < CLASSES, "{}", size);
            assert!((index, piece) == last || index == last.0 + 1 && piece > last.1, "{}", size);
            last = (index, piece);
        }
        assert_eq!(last, (CLASSES - 1, LARGEST));
    }

    /// Pieces of all sizes, given back in any order: none overlaps another, and what was
    /// written stays through every move.
    #[test]
    fn pieces_are_their_owners() {
        let heap = Heap::new();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut owned: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let whole = |piece: *mut u8, size: usize, mark: u8| {
            unsafe { std::slice::from_raw_parts(piece, size) }.iter().all(|b| *b == mark)
        };
        for i in 0..20_000_u32 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let size = 1 + (random >> 20) as usize % if i % 5 == 0 { 9000 } else { 700 };
            let align = 1 << (random >> 40 & 5);
            match random % 3 {
                0 if !owned.is_empty() => {
                    let (piece, layout, mark) = owned.swap_remove(random as usize % owned.len());
                    assert!(whole(piece, layout.size(), mark));
                    unsafe { heap.dealloc(piece, layout) };
                }
                1 if !owned.is_empty() => {
                    let at = random as usize % owned.len();
                    let (piece, layout, mark) = owned[at];
                    let moved = unsafe { heap.realloc(piece, layout, size) };
                    assert!(whole(moved, layout.size().min(size), mark));
                    unsafe { moved.write_bytes(mark, size) };
                    owned[at] = (moved, Layout::from_size_align(size, layout.align()).unwrap(), mark);
                }
                _ => {
                    let layout = Layout::from_size_align(size, align).unwrap();
                    let piece = unsafe { heap.alloc(layout) };
                    assert_eq!(piece as usize % align, 0);
                    unsafe { piece.write_bytes(i as u8, size) };
                    owned.push((piece, layout, i as u8));
                }
            }
        }
        for (piece, layout, mark) in owned {
            assert!(whole(piece, layout.size(), mark));
            unsafe { heap.dealloc(piece, layout) };
        }
    }
}
