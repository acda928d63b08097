//! CPU time by process and by named thread, as Linux counts it: nanoseconds on a core, kernel and user together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Time on a core so far, in µs, by part: `service: http`, `redis`, `postgres: writer`.
pub type Cpu = BTreeMap<String, f64>;

/// What these processes and their children have used; each process with the name that it is shown under.
pub fn used(processes: &[(&str, u32)]) -> Cpu {
    let mut cpu = Cpu::new();
    for (name, pid) in processes {
        add(name, *pid, &mut cpu);
    }
    cpu
}

/// What was used between two looks, per order.
pub fn per_order(before: &Cpu, after: &Cpu, orders: u64) -> Cpu {
    let since = |part: &String, now: &f64| now - before.get(part).copied().unwrap_or_default();
    after.iter().map(|(part, now)| (part.clone(), since(part, now) / orders as f64)).collect()
}

/// The parts of one process, or all of them, added up.
pub fn total(cpu: &Cpu, process: &str) -> f64 {
    cpu.iter().filter(|(part, _)| part.starts_with(process)).map(|(_, used)| used).sum()
}

fn add(process: &str, pid: u32, cpu: &mut Cpu) {
    let tasks = format!("/proc/{pid}/task");
    // A process or thread that ends while it is looked at has used what it had at the last look.
    let Ok(threads) = fs::read_dir(tasks) else { return };
    for thread in threads.flatten().map(|thread| thread.path()) {
        let Some(used) = read(&thread, "schedstat").and_then(|text| text.split(' ').next()?.parse::<f64>().ok()) else {
            continue;
        };
        let part = part(process, pid, &thread);
        *cpu.entry(part).or_default() += used / 1_000.0;
        let children = read(&thread, "children").unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            add(process, child, cpu);
        }
    }
}

/// A thread's own name; PostgreSQL's processes say what they are on their command line.
fn part(process: &str, pid: u32, thread: &Path) -> String {
    let name = match process {
        "postgres" => {
            let title = read(Path::new(&format!("/proc/{pid}")), "cmdline").unwrap_or_default();
            let title = title.trim_start_matches("postgres: ").split(['\0', '(']).next().unwrap_or_default().to_owned();
            if title.starts_with('/') { "postmaster".to_owned() } else { title }
        }
        _ => read(thread, "comm").unwrap_or_default(),
    };
    format!("{process}: {}", name.trim())
}

fn read(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}
