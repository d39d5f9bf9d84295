//! Products from a sheet. Nothing is written unless every line is good.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::parameters::{Kind, Parameter};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::product_sheet::{self, SheetProblem};

/// Problems that are reported; the rest is counted.
const PROBLEMS_MAX: usize = 200;

/// What the import takes.
pub(in crate::api) const PARAMETERS: &[Parameter] = &[Parameter {
    name: "dry_run",
    kind: Kind::Choice(&["true", "false"]),
    description: "true: say what would be done, and do nothing",
}];

/// What a sheet did, or would do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImportReport {
    /// Whether it was done.
    pub done: bool,
    /// Products that come.
    pub new: usize,
    /// Products that change.
    pub changed: usize,
    /// Lines that say what is so already.
    pub unchanged: usize,
    /// How many things are wrong.
    pub problems_total: usize,
    /// The first 200 of them, in the order of the lines.
    pub problems: Vec<LineProblemView>,
}

/// Something wrong in a line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LineProblemView {
    /// Counted from 1; the header is the first.
    pub line: u64,
    /// The name of its column; null where the whole line is meant.
    pub column: Option<String>,
    /// Stable; programs may decide by it.
    pub code: String,
    /// What would be accepted.
    pub expected: String,
}

impl From<SheetProblem> for LineProblemView {
    fn from(problem: SheetProblem) -> Self {
        Self {
            line: problem.line,
            column: problem.column,
            code: problem.code.to_owned(),
            expected: problem.expected,
        }
    }
}

/// Problems as those of a body: line and column make the pointer.
fn refused(problems: Vec<SheetProblem>) -> ApiError {
    let total = problems.len();
    let fields = problems.into_iter().take(PROBLEMS_MAX).map(|problem| {
        let column = problem.column.map_or_else(String::new, |name| {
            format!("/{}", name.replace('~', "~0").replace('/', "~1"))
        });
        let pointer = format!("/{}{column}", problem.line);
        FieldError::at(
            pointer,
            problem.code,
            format!("expected {}", problem.expected),
        )
    });
    ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "import_refused",
        detail: format!("Nothing was written: {total} things are wrong with the sheet."),
        fields: fields.collect(),
    }
}

pub(in crate::api) async fn products(call: Call) -> Result<Reply, ApiError> {
    let bytes = body::sheet(&call)?;
    let is_dry = call.query.text("dry_run") == Some("true");
    let lines_max = call.app.config.commerce.import_lines_max;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let plan = match product_sheet::read(bytes, lines_max as usize) {
        Ok(sheet) => {
            let known = product_sheet::known(database, &sheet).await?;
            product_sheet::plan(&sheet, &known, at)
        }
        Err(problems) => product_sheet::Plan {
            problems,
            ..product_sheet::Plan::default()
        },
    };
    if !is_dry && !plan.problems.is_empty() {
        return Err(refused(plan.problems));
    }
    let mut report = ImportReport {
        done: !is_dry,
        new: plan.new.len(),
        changed: plan.changed.len(),
        unchanged: plan.unchanged,
        problems_total: plan.problems.len(),
        problems: Vec::new(),
    };
    if is_dry {
        let first = plan.problems.into_iter().take(PROBLEMS_MAX);
        report.problems = first.map(LineProblemView::from).collect();
    } else {
        product_sheet::carry_out(database, plan, at).await?;
    }
    Reply::fresh(StatusCode::OK, &report)
}
