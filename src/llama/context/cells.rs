//! The bookkeeping of the KV cache: which cell holds which position of which sequences. Knows nothing of tensors.

use crate::error::{Error, Result};
use crate::llama::params::{llama_pos, llama_seq_id};

/// A set of sequence numbers: a bit each for the first 64, a sorted list for the others, which are rare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqSet {
    low: u64,
    high: Vec<llama_seq_id>,
}

impl SeqSet {
    pub fn is_empty(&self) -> bool {
        self.low == 0 && self.high.is_empty()
    }

    pub fn len(&self) -> usize {
        self.low.count_ones() as usize + self.high.len()
    }

    pub fn contains(&self, id: llama_seq_id) -> bool {
        match id {
            0..64 => self.low >> id & 1 == 1,
            _ => self.high.binary_search(&id).is_ok(),
        }
    }

    pub fn insert(&mut self, id: llama_seq_id) {
        match id {
            0..64 => self.low |= 1 << id,
            _ => {
                if let Err(at) = self.high.binary_search(&id) {
                    self.high.insert(at, id);
                }
            }
        }
    }

    pub fn remove(&mut self, id: llama_seq_id) {
        match id {
            0..64 => self.low &= !(1 << id),
            _ => {
                if let Ok(at) = self.high.binary_search(&id) {
                    self.high.remove(at);
                }
            }
        }
    }

    pub fn clear(&mut self) {
        self.low = 0;
        self.high.clear();
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = llama_seq_id> + '_ {
        let low = self.low;
        (0..64)
            .filter(move |id| low >> id & 1 == 1)
            .chain(self.high.iter().copied())
    }
}

/// A cell: free while no sequence holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// -1 while free.
    pub pos: llama_pos,
    /// What was added to the position since the keys were last rotated.
    pub delta: llama_pos,
    pub seqs: SeqSet,
}

const FREE: Cell = Cell {
    pos: -1,
    delta: 0,
    seqs: SeqSet {
        low: 0,
        high: Vec::new(),
    },
};

impl Cell {
    pub fn is_free(&self) -> bool {
        self.pos < 0
    }

    /// Whether the cell holds a position in `range` of the sequence.
    fn matches(&self, id: llama_seq_id, range: &std::ops::Range<llama_pos>) -> bool {
        range.contains(&self.pos) && self.seqs.contains(id)
    }
}

/// A range of positions as the sequence operations take it: a negative end is open.
fn range(p0: llama_pos, p1: llama_pos) -> std::ops::Range<llama_pos> {
    p0.max(0)..if p1 < 0 { llama_pos::MAX } else { p1 }
}

/// The cells of a cache, used like a ring: slots are searched from `head` on.
#[derive(Clone, Debug)]
pub struct Cells {
    cells: Vec<Cell>,
    /// Where the last slot was found, and where the next search begins.
    pub head: usize,
    used: usize,
    /// One past the last cell in use.
    end: usize,
    /// Some cell's `delta` is not applied to its keys yet.
    pub has_shift: bool,
}

impl Cells {
    pub fn new(size: usize) -> Result<Cells> {
        let mut cells = Vec::new();
        cells
            .try_reserve_exact(size)
            .map_err(|_| Error(format!("failed to allocate {size} cells of the KV cache")))?;
        cells.resize(size, FREE);
        Ok(Cells {
            cells,
            head: 0,
            used: 0,
            end: 0,
            has_shift: false,
        })
    }

    pub fn size(&self) -> usize {
        self.cells.len()
    }

    /// Cells in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// One past the last cell in use.
    pub fn end(&self) -> usize {
        self.end
    }

    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The sequences of all cells together.
    pub fn token_count(&self) -> usize {
        self.cells.iter().map(|c| c.seqs.len()).sum()
    }

    /// Finds `n` free cells in a row and moves `head` there; false if there are none.
    pub fn find_slot(&mut self, n: usize) -> bool {
        let size = self.size();
        if n > size {
            return false;
        }
        // Rather begin at the front than attend to a long stretch of free cells.
        if self.head > self.used + 2 * n {
            self.head = 0;
        }
        let mut at = self.head;
        let mut tested = 0;
        while tested < size {
            if at + n > size {
                tested += size - at;
                at = 0;
                continue;
            }
            match self.cells[at..at + n].iter().rposition(|c| !c.is_free()) {
                None => {
                    self.head = at;
                    return true;
                }
                Some(i) => {
                    at += i + 1;
                    tested += i + 1;
                }
            }
        }
        false
    }

    /// Puts a token into a free cell.
    pub fn occupy(&mut self, i: usize, pos: llama_pos, seqs: impl Iterator<Item = llama_seq_id>) {
        let cell = &mut self.cells[i];
        cell.pos = pos;
        cell.delta = 0;
        seqs.for_each(|id| cell.seqs.insert(id));
        self.used += 1;
        self.end = self.end.max(i + 1);
    }

    /// Frees a cell in use.
    fn free(&mut self, i: usize) {
        self.cells[i] = FREE;
        self.used -= 1;
        while self.end > 0 && self.cells[self.end - 1].is_free() {
            self.end -= 1;
        }
    }

    /// Frees `n` cells from `i` on, undoing [`Cells::occupy`].
    pub fn free_range(&mut self, i: usize, n: usize) {
        (i..i + n).for_each(|i| self.free(i));
        self.head = self.head.min(i);
    }

    pub fn clear(&mut self) {
        self.cells.fill(FREE);
        self.head = 0;
        self.used = 0;
        self.end = 0;
        self.has_shift = false;
    }

    /// Takes the sequence (any if negative) out of cells with positions in `p0..p1`.
    pub fn seq_rm(&mut self, id: llama_seq_id, p0: llama_pos, p1: llama_pos) {
        let range = range(p0, p1);
        for i in (0..self.end).rev() {
            let cell = &mut self.cells[i];
            if id < 0 && range.contains(&cell.pos) {
                cell.seqs.clear();
            } else if cell.matches(id, &range) {
                cell.seqs.remove(id);
            } else {
                continue;
            }
            if cell.seqs.is_empty() {
                self.free(i);
                self.head = self.head.min(i);
            }
        }
    }

    /// Adds the sequence `to` to the cells of `from` with positions in `p0..p1`.
    pub fn seq_cp(&mut self, from: llama_seq_id, to: llama_seq_id, p0: llama_pos, p1: llama_pos) {
        let range = range(p0, p1);
        self.head = 0;
        for cell in &mut self.cells[..self.end] {
            if cell.matches(from, &range) {
                cell.seqs.insert(to);
            }
        }
    }

    /// Drops all sequences but one.
    pub fn seq_keep(&mut self, id: llama_seq_id) {
        for i in (0..self.end).rev() {
            let cell = &mut self.cells[i];
            if cell.seqs.contains(id) {
                cell.seqs.clear();
                cell.seqs.insert(id);
            } else if !cell.is_free() {
                self.free(i);
                self.head = self.head.min(i);
            }
        }
    }

    /// Moves the sequence's positions in `p0..p1` by `delta`; cells whose position gets negative are freed.
    pub fn seq_add(&mut self, id: llama_seq_id, p0: llama_pos, p1: llama_pos, delta: llama_pos) {
        let range = range(p0, p1);
        if range.is_empty() {
            return;
        }
        let mut first_freed = None;
        for i in (0..self.end).rev() {
            let cell = &mut self.cells[i];
            if !cell.matches(id, &range) {
                continue;
            }
            self.has_shift = true;
            // positions stay below the largest number, see `Batch::check`
            cell.pos = cell.pos.saturating_add(delta).min(llama_pos::MAX - 1);
            cell.delta = cell.delta.saturating_add(delta);
            if cell.pos < 0 {
                self.free(i);
                first_freed = Some(i);
            }
        }
        self.head = first_freed.unwrap_or(0);
    }

    /// Divides the sequence's positions in `p0..p1` by `d`.
    pub fn seq_div(&mut self, id: llama_seq_id, p0: llama_pos, p1: llama_pos, d: i32) {
        let range = range(p0, p1);
        for cell in &mut self.cells[..self.end] {
            if cell.matches(id, &range) {
                let old = cell.pos;
                cell.pos /= d;
                cell.delta = cell.delta.saturating_add(cell.pos - old);
                self.has_shift = true;
            }
        }
    }

    /// The largest position of a sequence, 0 if it has none.
    pub fn seq_pos_max(&self, id: llama_seq_id) -> llama_pos {
        self.positions(id).max().unwrap_or(0)
    }

    /// The smallest position of a sequence, `None` if it has none.
    pub fn seq_pos_min(&self, id: llama_seq_id) -> Option<llama_pos> {
        self.positions(id).min()
    }

    fn positions(&self, id: llama_seq_id) -> impl Iterator<Item = llama_pos> + '_ {
        self.cells[..self.end]
            .iter()
            .filter(move |c| c.seqs.contains(id))
            .map(|c| c.pos)
    }

    /// The keys now have the rotation of their positions.
    pub fn shift_done(&mut self) {
        self.cells.iter_mut().for_each(|c| c.delta = 0);
        self.has_shift = false;
    }

    /// The longest run of free cells: its start (-1 if there is none) and length.
    pub fn longest_free_run(&self) -> (i32, i32) {
        let (mut best, mut run) = ((-1, 0), 0);
        for (i, cell) in self.cells.iter().enumerate() {
            run = if cell.seqs.is_empty() { run + 1 } else { 0 };
            if run > best.1 {
                best = (i as i32 + 1 - run, run);
            }
        }
        best
    }

    /// Closes the holes in front of the last cells with their contents, at most `max_moves` runs at a time: moves the cells
    /// and returns where each run of data has to follow, as (from, to, length).
    pub fn defrag(&mut self, max_moves: usize) -> Vec<(usize, usize, usize)> {
        let mut moves: Vec<(usize, usize, usize)> = Vec::new();
        let mut hole = 0;
        let mut last = self.end;
        while moves.len() < max_moves {
            while hole < last && !self.cells[hole].is_free() {
                hole += 1;
            }
            while last > hole && self.cells[last - 1].is_free() {
                last -= 1;
            }
            if hole >= last {
                break;
            }
            // Fill the hole with the end of the last run, keeping the order of its cells.
            let hole_len = self.cells[hole..last]
                .iter()
                .take_while(|c| c.is_free())
                .count();
            let run_len = self.cells[hole + hole_len..last]
                .iter()
                .rev()
                .take_while(|c| !c.is_free())
                .count();
            let n = hole_len.min(run_len);
            for i in 0..n {
                self.cells.swap(hole + i, last - n + i);
            }
            moves.push((last - n, hole, n));
        }
        if !moves.is_empty() {
            self.end = self
                .cells
                .iter()
                .rposition(|c| !c.is_free())
                .map_or(0, |i| i + 1);
            self.head = self.used.min(self.size().saturating_sub(1));
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells with the given (position, sequences), -1 for a free cell.
    fn cells(content: &[(llama_pos, &[llama_seq_id])]) -> Cells {
        let mut cells = Cells::new(content.len()).unwrap();
        for (i, (pos, seqs)) in content.iter().enumerate() {
            if *pos >= 0 {
                cells.occupy(i, *pos, seqs.iter().copied());
            }
        }
        cells
    }

    fn positions(cells: &Cells) -> Vec<llama_pos> {
        cells.cells().iter().map(|c| c.pos).collect()
    }

    #[test]
    fn slots_are_found_around_the_ring() {
        let mut c = Cells::new(4).unwrap();
        assert!(c.find_slot(3));
        for i in 0..3 {
            c.occupy(i, i as i32, [0].into_iter());
        }
        assert!(!c.find_slot(2), "only one cell is free");
        c.seq_rm(0, 0, 2);
        assert_eq!((c.used(), c.end()), (1, 3));
        assert!(c.find_slot(2));
        assert_eq!(c.head, 0);
        assert!(!c.find_slot(5), "larger than the cache");
    }

    #[test]
    fn cells_are_freed_when_their_last_sequence_goes() {
        let mut c = cells(&[(0, &[0, 1]), (1, &[0]), (2, &[0, 100])]);
        c.seq_rm(0, -1, -1);
        assert_eq!(positions(&c), [0, -1, 2]);
        assert_eq!((c.seq_pos_max(100), c.seq_pos_min(1)), (2, Some(0)));
        c.seq_keep(1);
        assert_eq!((positions(&c), c.used(), c.end()), (vec![0, -1, -1], 1, 1));
        c.seq_rm(-1, -1, -1);
        assert_eq!((c.used(), c.end(), c.token_count()), (0, 0, 0));
    }

    #[test]
    fn shifting_moves_positions_and_frees_what_falls_out() {
        let mut c = cells(&[(0, &[0]), (1, &[0]), (2, &[0]), (2, &[1])]);
        c.seq_add(0, 0, -1, -1);
        assert_eq!(positions(&c), [-1, 0, 1, 2]);
        assert!(c.has_shift);
        assert_eq!(c.cells()[1].delta, -1);
        assert_eq!((c.used(), c.head), (3, 0));
        c.shift_done();
        c.seq_div(1, -1, -1, 2);
        assert_eq!((positions(&c)[3], c.cells()[3].delta), (1, -1));
        c.seq_cp(1, 0, -1, -1);
        assert_eq!(c.token_count(), 4);
    }

    #[test]
    fn defragmenting_closes_all_holes() {
        let mut c = cells(&[
            (-1, &[]),
            (0, &[0]),
            (-1, &[]),
            (-1, &[]),
            (1, &[0]),
            (2, &[0]),
            (-1, &[]),
            (3, &[0]),
        ]);
        let before = c.clone();
        let moves = c.defrag(usize::MAX);
        assert_eq!((c.end(), c.used()), (4, 4));
        let mut data: Vec<_> = before.cells().to_vec();
        for (from, to, n) in moves {
            for i in 0..n {
                data[to + i] = data[from + i].clone();
            }
        }
        assert_eq!(data[..4], c.cells()[..4], "the data follows the cells");
        assert!(c.defrag(usize::MAX).is_empty());
    }
}
