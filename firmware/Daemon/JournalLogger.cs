using System;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Daemon;

/// <summary>
/// The log on standard error: for the journal a line begins with its priority (sd-daemon(3)), for a terminal with the
/// time and the level. A message is one line; fields stand in it as name=value.
/// </summary>
sealed class JournalLoggerProvider(TextWriter to, bool forJournal) : ILoggerProvider
{
    readonly Lock _lock = new();

    /// <summary>True if standard error leads to the journal.</summary>
    internal static bool IsJournal() => Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { Length: > 0 };

    public ILogger CreateLogger(string categoryName) => new JournalLogger(this, categoryName);

    void Write(LogLevel level, string category, string message, Exception? cause)
    {
        var line = new StringBuilder();
        if (forJournal) line.Append('<').Append(Priority(level)).Append('>');
        else
        {
            line.Append(DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            line.Append(' ').Append(Word(level)).Append(' ');
        }
        line.Append(category).Append(": ").Append(OneLine(message));
        if (cause is not null) line.Append(" | ").Append(OneLine(cause.ToString()));
        line.Append('\n');
        try
        {
            lock (_lock)
            {
                to.Write(line.ToString());
                to.Flush();
            }
        }
        catch (IOException)
        {
            // Nobody reads any more (a closed terminal): that is no reason to end.
        }
    }

    static string OneLine(string text) => text.ReplaceLineEndings(" | ");

    static int Priority(LogLevel level) => level switch
    {
        LogLevel.Critical => 2, LogLevel.Error => 3, LogLevel.Warning => 4, LogLevel.Information => 6, _ => 7,
    };

    static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical => "CRIT ", LogLevel.Error => "ERROR", LogLevel.Warning => "WARN ",
        LogLevel.Information => "info ", _ => "debug",
    };

    public void Dispose()
    {
    }

    sealed class JournalLogger(JournalLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and < LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) provider.Write(logLevel, category, formatter(state, exception), exception);
        }
    }
}
