//! A network flow over whole lots: Dinic's algorithm (1970), level by level along shortest paths.

const NONE: u32 = u32::MAX;

/// A network in which every edge has a reverse edge beside it (`edge ^ 1`).
#[derive(Clone, Debug)]
pub(super) struct Flow {
    first: Vec<u32>,
    next: Vec<u32>,
    to: Vec<u32>,
    /// What an edge can still carry.
    pub room: Vec<i64>,
    level: Vec<u32>,
    cursor: Vec<u32>,
}

impl Flow {
    pub fn new(nodes: usize) -> Self {
        Self {
            first: vec![NONE; nodes],
            next: Vec::new(),
            to: Vec::new(),
            room: Vec::new(),
            level: vec![NONE; nodes],
            cursor: vec![NONE; nodes],
        }
    }

    /// Adds an edge and its reverse; the number of the edge.
    pub fn edge(&mut self, from: usize, to: usize, room: i64) -> usize {
        let edge = self.to.len();
        for (from, to, room) in [(from, to, room), (to, from, 0)] {
            self.next.push(self.first[from]);
            self.first[from] = self.to.len() as u32;
            self.to.push(to as u32);
            self.room.push(room);
        }
        edge
    }

    /// Lots that an edge carries, if it has had `room` at first.
    pub fn carried(&self, edge: usize) -> i64 {
        self.room[edge ^ 1]
    }

    /// Where an edge begins.
    pub fn tail(&self, edge: usize) -> usize {
        self.to[edge ^ 1] as usize
    }

    /// Where an edge ends.
    pub fn head(&self, edge: usize) -> usize {
        self.to[edge] as usize
    }

    /// Sends as much as there is room for, and at most `most`; how much that was.
    pub fn push(&mut self, from: usize, to: usize, most: i64) -> i64 {
        let mut sent = 0;
        while sent < most && self.rank_nodes(from, to) {
            self.cursor.copy_from_slice(&self.first);
            while sent < most {
                let more = self.send_along_one_path(from, to, most - sent);
                if more == 0 {
                    break;
                }
                sent += more;
            }
        }
        sent
    }

    /// Distances from `from` in edges with room; whether `to` is reached.
    fn rank_nodes(&mut self, from: usize, to: usize) -> bool {
        self.level.fill(NONE);
        self.level[from] = 0;
        let mut queue = vec![from as u32];
        let mut done = 0;
        while let Some(&node) = queue.get(done) {
            done += 1;
            let mut edge = self.first[node as usize];
            while edge != NONE {
                let next = self.to[edge as usize];
                if self.room[edge as usize] > 0 && self.level[next as usize] == NONE {
                    self.level[next as usize] = self.level[node as usize] + 1;
                    queue.push(next);
                }
                edge = self.next[edge as usize];
            }
        }
        self.level[to] != NONE
    }

    fn send_along_one_path(&mut self, from: usize, to: usize, most: i64) -> i64 {
        let mut path: Vec<usize> = Vec::new();
        let mut node = from;
        while node != to {
            let edge = self.cursor[node];
            if edge == NONE {
                let Some(back) = path.pop() else { return 0 };
                node = self.tail(back);
                self.cursor[node] = self.next[back];
                continue;
            }
            let (edge, next) = (edge as usize, self.to[edge as usize] as usize);
            if self.room[edge] > 0 && self.level[next] == self.level[node] + 1 {
                path.push(edge);
                node = next;
            } else {
                self.cursor[node] = self.next[edge];
            }
        }
        let sent = path.iter().map(|&edge| self.room[edge]).fold(most, i64::min);
        for &edge in &path {
            self.room[edge] -= sent;
            self.room[edge ^ 1] += sent;
        }
        sent
    }
}
