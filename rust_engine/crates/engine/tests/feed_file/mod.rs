//! The `.npy` file of packed records that warms an engine up, or feeds it.

use npyz::WriterBuilder;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Writes `rows`, which are `engine::feed::Row`s, to `path`.
pub fn write_rows<Row: npyz::AutoSerialize>(path: &Path, rows: &[Row]) {
    let options = npyz::WriteOptions::new().default_dtype().shape(&[rows.len() as u64]);
    let mut writer = options.writer(BufWriter::new(File::create(path).unwrap())).begin_nd().unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap();
}
