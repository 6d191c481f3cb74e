using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Daemon;

/// <summary>
/// The log: entries with fields for the journal (what a message is made of: VOLUME, MIRROR, PEER, PART ..., its
/// CATEGORY and EVENT). Else lines on standard error: where that leads to the journal and its socket does not answer,
/// each begins with its priority (sd-daemon(3)), on a terminal with the time and the level.
/// </summary>
/// <param name="to">Standard error.</param>
/// <param name="forJournal">Standard error leads to the journal.</param>
/// <param name="journal">Where entries go; null: lines only. Taken over.</param>
sealed class JournalLoggerProvider(TextWriter to, bool forJournal, JournalSocket? journal = null) : ILoggerProvider
{
    readonly Lock _lock = new();

    /// <summary>The log of a daemon.</summary>
    internal static JournalLoggerProvider Open()
    {
        string? standardError = null;
        try
        {
            standardError = new FileInfo("/proc/self/fd/2").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The variable alone decides.
        }
        bool isJournal = JournalSocket.IsJournal(Environment.GetEnvironmentVariable("JOURNAL_STREAM"), standardError);
        return new JournalLoggerProvider(Console.Error, isJournal, isJournal ? new JournalSocket() : null);
    }

    public ILogger CreateLogger(string categoryName) => new JournalLogger(this, categoryName);

    void Write(LogLevel level, string category, EventId id, string message, object? state, Exception? cause)
    {
        if (journal is not null)
        {
            byte[] entry = JournalSocket.Entry(Priority(level), $"{category}: {OneLine(message)}"
                + (cause is null ? "" : " | " + OneLine(cause.Message)), Fields(category, id, state), cause);
            lock (_lock)
            {
                if (journal.TrySend(entry)) return;
            }
        }
        WriteLine(level, category, message, cause);
    }

    static IEnumerable<KeyValuePair<string, object?>> Fields(string category, EventId id, object? state)
    {
        yield return new KeyValuePair<string, object?>("CATEGORY", category);
        if (id.Id != 0) yield return new KeyValuePair<string, object?>("EVENT", id.Id);
        // The template itself comes under a name that no field can have.
        foreach (KeyValuePair<string, object?> field in state as IEnumerable<KeyValuePair<string, object?>> ?? [])
            yield return field;
    }

    void WriteLine(LogLevel level, string category, string message, Exception? cause)
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

    public void Dispose() => journal?.Dispose();

    sealed class JournalLogger(JournalLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and < LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                provider.Write(logLevel, category, eventId, formatter(state, exception), state, exception);
        }
    }
}
