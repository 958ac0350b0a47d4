//! Keeps rumble and direct current out.

/// A Butterworth filter of second order at 40 Hz. A higher one is heard to be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct HighPass {
    state: [f32; 2],
}

const B: [f32; 3] = [0.996_304_4, -1.992_608_9, 0.996_304_4];
const A: [f32; 2] = [-1.992_595_2, 0.992_622_5];

impl HighPass {
    /// Filters the next samples.
    pub fn process(&mut self, samples: &mut [f32]) {
        // Direct form II, transposed.
        let [mut one, mut two] = self.state;
        for sample in samples {
            let filtered = B[0] * *sample + one;
            one = B[1] * *sample - A[0] * filtered + two;
            two = B[2] * *sample - A[1] * filtered;
            *sample = filtered;
        }
        self.state = [one, two];
    }
}
